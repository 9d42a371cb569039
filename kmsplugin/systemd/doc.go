// Package systemd talks to the service manager that started this process. It takes
// over sockets, notifies of readiness and the end, and stores data that outlives the
// process without being a file.
//
// It implements three small protocols of systemd without its library:
//
//	sd_listen_fds(3)    descriptors 3, 4, ... and what the environment says of them
//	sd_notify(3)        datagrams to $NOTIFY_SOCKET
//	systemd.service(5)  FileDescriptorStoreMax=: descriptors that are sent with
//	                    FDSTORE=1 come back at the next start among the former
//
// The package must never know what is stored or served, and has no copy of it: it
// writes a blob into a memory file and sends that to the manager.
package systemd
