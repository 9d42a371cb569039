package memory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/testkit"
)

// stall is how long a write must make no progress for its attacker to give up.
const stall = time.Second

// attacker is one connection of a caller that speaks HTTP/2 by hand, because no
// client library does what it does.
type attacker struct {
	conn   net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	next   uint32 // stream
}

// attack is what an attacker does again and again: it writes what one more
// request takes, or nearly.
type attack struct {
	name string
	// deaf never reads an answer, narrow gives answers no window.
	deaf, narrow bool
	times        int
	step         func(a *attacker, i int) error
}

// attacks are the ways to make a server hold memory: what is not finished, what
// is finished and waits, what is answered and not read, and what costs more than
// its bytes.
var attacks = []attack{
	{name: "requests that wait for Vault", times: 200, step: func(a *attacker, i int) error {
		return a.request(kms.KeyManagementService_Decrypt_FullMethodName, largest(i), true)
	}},
	{name: "the same, 32 kB each", times: 60, step: func(a *attacker, i int) error {
		return a.request(kms.KeyManagementService_Decrypt_FullMethodName, unbound(i, 32_000), true)
	}},
	{name: "half of a message", times: 200, step: func(a *attacker, i int) error {
		message := largest(i)
		return a.request(kms.KeyManagementService_Decrypt_FullMethodName, message[:len(message)-1], false)
	}},
	{name: "half of a message, byte by byte", times: 12, step: func(a *attacker, i int) error {
		id, err := a.begin(kms.KeyManagementService_Decrypt_FullMethodName)
		message := largest(i)
		for _, b := range message[:len(message)-1] {
			if err == nil {
				err = a.framer.WriteData(id, false, []byte{b})
			}
		}
		return err
	}},
	{name: "a window full of what comes after the message", times: 60, step: func(a *attacker, i int) error {
		message := append(unbound(i, 0), make([]byte, 60_000)...)
		return a.request(kms.KeyManagementService_Decrypt_FullMethodName, message, false)
	}},
	{name: "half of a request for Status", times: 200, step: func(a *attacker, _ int) error {
		return a.request(kms.KeyManagementService_Status_FullMethodName, make([]byte, 4), false)
	}},
	{name: "many headers, and no message", times: 200, step: func(a *attacker, _ int) error {
		var many []hpack.HeaderField
		for n := range 90 { // of 4 KiB as HTTP/2 counts, which adds 32 to each
			many = append(many, hpack.HeaderField{Name: "h" + strconv.Itoa(n), Value: "v"})
		}
		_, err := a.begin(kms.KeyManagementService_Decrypt_FullMethodName, many...)
		return err
	}},
	{name: "unread answers", deaf: true, times: 1000, step: func(a *attacker, _ int) error {
		return a.request(kms.KeyManagementService_Status_FullMethodName, make([]byte, 5), true)
	}},
	{name: "answers that get no window", narrow: true, times: 1000, step: func(a *attacker, _ int) error {
		return a.request(kms.KeyManagementService_Status_FullMethodName, make([]byte, 5), true)
	}},
	{name: "pings and settings with unread answers", deaf: true, times: 20_000, step: func(a *attacker, i int) error {
		switch i % 3 {
		case 0:
			return a.framer.WritePing(false, [8]byte{})
		case 1:
			return a.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 14})
		default:
			return a.framer.WriteWindowUpdate(0, 1)
		}
	}},
	{name: "requests that are taken back at once", times: 1000, step: func(a *attacker, i int) error {
		if err := a.request(kms.KeyManagementService_Decrypt_FullMethodName, largest(i), true); err != nil {
			return err
		}
		return a.framer.WriteRSTStream(a.next-2, http2.ErrCodeCancel)
	}},
}

// largest is the largest message that the plugin reads: a ciphertext that only
// Vault could open, and annotations that do not matter.
func largest(i int) []byte { return unbound(i, 7_000) }

// unbound is a request, with its five bytes of length, to open another plugin's
// ciphertext.
func unbound(i, annotation int) []byte {
	r := &kms.DecryptRequest{
		Ciphertext: fmt.Appendf(nil, "vault:v1:%0900d", i), KeyId: "1", Uid: "attack",
		Annotations: map[string][]byte{"a.example": make([]byte, annotation)},
	}
	body, err := proto.Marshal(r)
	if err != nil {
		panic(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
}

func (k attack) dial(path string) (*attacker, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	out := deadlined{conn}
	a := &attacker{conn: conn, framer: http2.NewFramer(out, conn), next: 1}
	a.hpack = hpack.NewEncoder(&a.block)
	if _, err := out.Write([]byte(http2.ClientPreface)); err != nil {
		return a, err
	}
	var settings []http2.Setting
	if k.narrow {
		settings = append(settings, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	}
	if !k.deaf {
		go func() { _, _ = io.Copy(io.Discard, conn) }()
	}
	return a, a.framer.WriteSettings(settings...)
}

// deadlined gives up when a write stalls.
type deadlined struct{ net.Conn }

func (d deadlined) Write(p []byte) (int, error) {
	if err := d.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return d.Conn.Write(p)
}

// begin opens a stream.
func (a *attacker) begin(method string, more ...hpack.HeaderField) (id uint32, err error) {
	a.block.Reset()
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: method},
		{Name: ":authority", Value: "localhost"}, {Name: "content-type", Value: "application/grpc"},
	}, more...) {
		if err := a.hpack.WriteField(f); err != nil {
			return 0, err
		}
	}
	id = a.next
	a.next += 2
	return id, a.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: a.block.Bytes(), EndHeaders: true})
}

// request opens a stream and sends data on it.
func (a *attacker) request(method string, data []byte, end bool) error {
	id, err := a.begin(method)
	for err == nil && len(data) > 16<<10 {
		err = a.framer.WriteData(id, false, data[:16<<10])
		data = data[16<<10:]
	}
	if err != nil {
		return err
	}
	return a.framer.WriteData(id, end, data)
}

// memory is what /proc says of a process's memory, in bytes: VmRSS now, VmHWM the
// most since it was last reset.
func memory(t *testing.T, pid int, what string) int64 {
	t.Helper()
	text := testkit.Must(os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)))(t)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, what+":"); ok {
			kib := testkit.Must(strconv.ParseInt(strings.Fields(value)[0], 10, 64))(t)
			return kib << 10
		}
	}
	t.Fatalf("there is no %s", what)
	return 0
}
