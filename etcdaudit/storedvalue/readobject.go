package storedvalue

import "bytes"

// Object is what a plaintext object says of itself. Its slices are views of the
// bytes that were read; each is empty where those bytes do not say it.
type Object struct {
	APIVersion, Kind, Namespace, Name []byte
	// created and changed are the texts of creationTimestamp and of the newest time in
	// managedFields. Protobuf has no texts there, and of CBOR changed is not read.
	created, changed []byte
	// Data is set where the object has data: the contents of a Secret or a
	// ConfigMap. Protobuf does not name its fields, so there it is never set.
	Data bool
	// Length is how many bytes, from the first on, were understood.
	Length int
	// Complete is set where Length ends with the object. Otherwise the bytes end
	// within the object, or go on with something else.
	Complete bool
}

// ReadObject reads what an object in plaintext says of itself. The bytes begin
// with the object. They may go on behind it, be cut within it, or be damaged:
// what was read until then is returned. ok is false if no object in one of the
// four encodings begins there. It copies and allocates nothing.
func ReadObject(b []byte) (o Object, ok bool) {
	switch plaintextFormat(b[:min(len(b), maxYAMLHead)]) {
	case Protobuf:
		return readProtobuf(b), true
	case CBOR:
		return readCBOR(b), true
	case JSON:
		return ReadJSON(b, 0), true
	case YAML:
		return ReadYAML(b, YAMLText{}), true
	default:
		return Object{}, false
	}
}

// set keeps one of the fields that name an object. The last one counts, as for
// the API server's decoders.
func (o *Object) set(field, text []byte) {
	switch string(field) {
	case "apiVersion":
		o.APIVersion = text
	case "kind":
		o.Kind = text
	}
}

// setMeta keeps a field of the object's metadata.
func (o *Object) setMeta(field, text []byte) {
	switch string(field) {
	case "name":
		o.Name = text
	case "namespace":
		o.Namespace = text
	case "creationTimestamp":
		o.created = text
	}
}

// managed keeps a time of managedFields if it is the newest. All are written in UTC, to the
// second: the order of the texts is that of the times.
func (o *Object) managed(text []byte) {
	if bytes.Compare(text, o.changed) > 0 {
		o.changed = text
	}
}

// isData reports whether a field holds what a Secret or ConfigMap is for.
func isData(field []byte) bool {
	switch string(field) {
	case "data", "stringData", "binaryData":
		return true
	default:
		return false
	}
}
