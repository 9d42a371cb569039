// Package checkpoint is what survives a restart of the plugin: plain data, how it is
// encoded, when it is saved, and to which key of the configuration it belongs.
//
// It is encoded as JSON, whose field names never change, and lives where a Store puts
// it: in systemd's file descriptor store. The package knows no other package of the
// plugin but backend; keystate and the unwrap cache convert their state to and from it.
package checkpoint
