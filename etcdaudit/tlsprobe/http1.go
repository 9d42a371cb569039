package tlsprobe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// maxHead and maxBody bound what is read of an answer. A body is read to recognise who
// answers; metrics are longer, and their rest is not needed.
const (
	maxHead = 64 << 10
	maxBody = 64 << 10
)

// answer is what came back over HTTP, or gRPC.
type answer struct {
	ending
	status int    // of HTTP
	body   []byte // cut at maxBody; the message of gRPC
	via    string // the server's own name, which etcd never gives
	kine   bool   // kine named itself
	// unimplemented is set where a server of gRPC does not know the call.
	unimplemented bool
}

// askHTTP sends one request of HTTP/1.1 and reads its answer's head, and its body as far as
// it is there. It never reads to the end of the connection: an answered connection of a
// peer port may stay open.
func askHTTP(conn net.Conn, secure bool, host, method, path, body string) answer {
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nConnection: close\r\n", method, path, host, ServerName)
	if body != "" {
		text += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	if err := writeAll(conn, text+"\r\n"+body); err != nil {
		return answer{ending: answerEnding(err, secure)}
	}
	limited := &io.LimitedReader{R: conn, N: maxHead}
	reader := bufio.NewReader(limited)
	first, err := reader.Peek(5)
	if err != nil {
		return answer{ending: answerEnding(err, secure)}
	}
	if string(first) != "HTTP/" {
		return answer{ending: ending{outcome: facts.Mismatch, said: "the answer is not HTTP/1.1"}}
	}
	request := &http.Request{Method: method}
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		e := answerEnding(err, secure)
		if limited.N <= 0 {
			e = ending{outcome: facts.Mismatch, said: "the head of the answer has no end"}
		}
		return answer{ending: e}
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{status: response.StatusCode, via: proxyName(response.Header)}
	a.ending = ending{outcome: facts.Answered, said: fmt.Sprintf("HTTP %d", response.StatusCode)}
	switch {
	case !secure && response.StatusCode == http.StatusBadRequest && response.ProtoMinor == 0:
		// net/http's answer to plaintext on a port of TLS.
		a.ending = ending{outcome: facts.Mismatch, said: "HTTP 400 of a server of TLS"}
	case response.StatusCode == http.StatusMisdirectedRequest, response.StatusCode == http.StatusBadRequest && !secure:
		a.ending = ending{outcome: facts.Mismatch, said: fmt.Sprintf("HTTP %d", response.StatusCode)}
	}
	if response.ContentLength >= 0 || len(response.TransferEncoding) > 0 {
		limited.N = maxBody
		// What was cut, or broke off, is judged by what is there.
		a.body, _ = io.ReadAll(io.LimitReader(response.Body, maxBody))
	}
	return a
}

// proxyName is how a proxy in front of etcd names itself. etcd sends neither header.
func proxyName(h http.Header) string {
	for _, name := range []string{"Server", "Via"} {
		if v := h.Get(name); v != "" {
			return short(name + ": " + v)
		}
	}
	return ""
}

// writeAll writes text. After a failure the reason is asked for by reading: an alert that
// has arrived says more than a broken pipe.
func writeAll(conn net.Conn, text string) error {
	_, err := io.WriteString(conn, text)
	if err == nil {
		return nil
	}
	if _, reason := conn.Read(make([]byte, 1)); reason != nil && !timedOut(reason) && !errors.Is(reason, net.ErrClosed) {
		return reason
	}
	return err
}

// versionOf finds etcd's version in the answer of /version.
func versionOf(body []byte) string {
	_, rest, ok := strings.Cut(string(body), `"etcdserver":"`)
	version, _, end := strings.Cut(rest, `"`)
	if !ok || !end || len(version) > 40 {
		return ""
	}
	return short(version)
}
