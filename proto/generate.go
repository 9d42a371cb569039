// Package proto holds the protobuf schemas. See README.md for how the code
// below it is generated. It must never contain code of its own.
package proto

//go:generate go -C ../test/tools build -o ../../proto/.bin/ github.com/bufbuild/buf/cmd/buf google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
//go:generate .bin/buf generate
