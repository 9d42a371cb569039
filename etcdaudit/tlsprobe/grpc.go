package tlsprobe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// Paths of etcd's RPCs (api/etcdserverpb/rpc.proto). None of them proposes an entry to
// raft: a serializable Range and a member list that is not linearizable are answered from
// the member's own memory (server/etcdserver/v3_server.go, server.go).
const (
	rangeRPC      = "/etcdserverpb.KV/Range"
	memberListRPC = "/etcdserverpb.Cluster/MemberList"
)

// unimplemented is codes.Unimplemented as it is sent.
const unimplemented = "12"

// maxFrames bounds the frames that are read until an answer is complete.
const maxFrames = 64

// rangeRequest asks for one key from key on, without its value (RangeRequest in
// rpc.proto).
func rangeRequest(key, end []byte) []byte {
	var b []byte
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendBytes(b, key)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendBytes(b, end)
	for _, number := range []protowire.Number{3, 7, 8} { // limit 1, serializable, keys_only
		b = protowire.AppendTag(b, number, protowire.VarintType)
		b = protowire.AppendVarint(b, 1)
	}
	return b
}

// prefixEnd is the end of the range of all keys with a prefix, as clientv3's.
func prefixEnd(prefix string) []byte {
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0}
}

// askGRPC makes one call without a stream. It reads frames itself and not by a gRPC
// library, because the error of the connection is the answer here, and libraries replace
// it by their own.
func askGRPC(conn net.Conn, secure bool, host, path string, message []byte) answer {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	w := http2.NewFramer(&out, nil)
	err := errors.Join(
		w.WriteSettings(),
		w.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: headers(scheme, host, path)}),
		w.WriteData(1, true, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)), //nolint:gosec // a few dozen bytes
	)
	if err != nil {
		return answer{ending: ending{outcome: facts.Failed, said: "the request cannot be written"}}
	}
	if err := writeAll(conn, out.String()); err != nil {
		return answer{ending: answerEnding(err, secure)}
	}
	return readGRPC(conn, secure)
}

func headers(scheme, host, path string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", scheme}, {":path", path}, {":authority", host},
		{"content-type", "application/grpc"}, {"user-agent", ServerName}, {"te", "trailers"},
	} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // to memory
	}
	return b.Bytes()
}

func newReader(conn net.Conn) *http2.Framer {
	r := http2.NewFramer(conn, conn)
	r.SetMaxReadFrameSize(1 << 14)
	r.MaxHeaderListSize = 16 << 10
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return r
}

// readGRPC reads frames until the call has ended.
func readGRPC(conn net.Conn, secure bool) (a answer) {
	r := newReader(conn)
	for n := range maxFrames {
		frame, err := r.ReadFrame()
		if err != nil {
			a.ending = frameEnding(err, secure)
			return a
		}
		if _, ok := frame.(*http2.SettingsFrame); n == 0 && !ok {
			a.ending = ending{outcome: facts.Mismatch, said: "the answer is not HTTP/2"}
			return a
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = r.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				err = r.WritePing(true, f.Data)
			}
		case *http2.DataFrame:
			if len(a.body) < maxBody {
				a.body = append(a.body, f.Data()...)
			}
			if f.StreamEnded() {
				a.ending = ending{outcome: facts.Mismatch, said: "an answer without a status of gRPC"}
				return a
			}
		case *http2.MetaHeadersFrame:
			if done := a.readHeaders(f); done {
				return a
			}
		case *http2.RSTStreamFrame:
			a.ending = ending{outcome: facts.Mismatch, said: "HTTP/2 error " + f.ErrCode.String()}
			return a
		case *http2.GoAwayFrame:
			a.ending = ending{outcome: facts.Mismatch, said: "HTTP/2 GOAWAY " + f.ErrCode.String()}
			return a
		}
		if err != nil {
			a.ending = answerEnding(err, secure)
			return a
		}
	}
	a.ending = ending{outcome: facts.Mismatch, said: "an answer without an end"}
	return a
}

func frameEnding(err error, secure bool) ending {
	if e := answerEnding(err, secure); e.outcome != facts.Mismatch || closed(err) {
		return e
	}
	return ending{outcome: facts.Mismatch, said: "the answer is not HTTP/2"}
}

// readHeaders takes the head or the trailers of the answer.
func (a *answer) readHeaders(f *http2.MetaHeadersFrame) (done bool) {
	status, message := "", ""
	for _, field := range f.Fields {
		switch field.Name {
		case ":status":
			a.status, _ = strconv.Atoi(field.Value) // 0 is none
		case "server", "via":
			a.via = short(field.Name + ": " + field.Value)
		case "grpc-status":
			status = field.Value
		case "grpc-message":
			message = field.Value
		}
	}
	switch {
	case status == unimplemented && strings.HasSuffix(message, "by kine"):
		// kine refuses some forms of a request. It has no access control of its own: the client
		// was let in, and may read all.
		a.ending = ending{outcome: facts.Answered, said: "kine does not know this form of the request"}
		a.kine = true
	case status != "":
		a.ending = grpcEnding(status, message)
		a.unimplemented = status == unimplemented
	case a.status != 200:
		a.ending = ending{outcome: facts.Mismatch, said: fmt.Sprintf("HTTP %d to gRPC", a.status)}
	case f.StreamEnded():
		a.ending = ending{outcome: facts.Mismatch, said: "an answer without a status of gRPC"}
	default:
		return false
	}
	return true
}

// grpcEnding reads a status. Of messages only etcd's own are kept, which are fixed texts
// (api/v3rpc/rpctypes/error.go).
func grpcEnding(status, message string) ending {
	number, err := strconv.ParseUint(status, 10, 32)
	if err != nil {
		return ending{outcome: facts.Mismatch, said: "a status of gRPC that is no number"}
	}
	code := codes.Code(number)
	said := "gRPC " + code.String()
	if strings.HasPrefix(message, "etcdserver: ") {
		said = short(message)
	}
	switch {
	case code == codes.OK:
		return ending{outcome: facts.Answered, said: "OK"}
	case code == codes.PermissionDenied, code == codes.Unauthenticated,
		code == codes.InvalidArgument && strings.Contains(message, "user name is empty"):
		return ending{outcome: facts.Denied, said: said}
	case code == codes.Unimplemented:
		return ending{outcome: facts.Mismatch, said: said}
	}
	// Without a leader, or too busy: the client was let in all the same.
	return ending{outcome: facts.Answered, said: said}
}

// askSettings waits for the SETTINGS frame that every server of HTTP/2 sends first
// (RFC 9113, section 3.4).
func askSettings(conn net.Conn, secure bool) answer {
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	if err := http2.NewFramer(&out, nil).WriteSettings(); err != nil {
		return answer{ending: ending{outcome: facts.Failed, said: "the request cannot be written"}}
	}
	if err := writeAll(conn, out.String()); err != nil {
		return answer{ending: answerEnding(err, secure)}
	}
	frame, err := newReader(conn).ReadFrame()
	if err != nil {
		return answer{ending: frameEnding(err, secure)}
	}
	if _, ok := frame.(*http2.SettingsFrame); !ok {
		return answer{ending: ending{outcome: facts.Mismatch, said: "the answer is not HTTP/2"}}
	}
	return answer{ending: ending{outcome: facts.Answered, said: "SETTINGS"}}
}
