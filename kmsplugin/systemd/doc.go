// Package systemd speaks to the service manager that started this process:
// which sockets it hands over, that the process is ready or stopping, and a place
// where something may outlive the process without ever being a file.
//
// The three protocols are those of systemd, and are small enough to be spoken
// without its library:
//
//	sd_listen_fds(3)    descriptors 3, 4, ... and what the environment says of them
//	sd_notify(3)        datagrams to $NOTIFY_SOCKET
//	systemd.service(5)  FileDescriptorStoreMax=: descriptors that are sent with
//	                    FDSTORE=1 come back at the next start among the former
//
// The package must never know what is stored or served, and keeps nothing of it:
// a blob goes into a memory file, the memory file to the manager.
package systemd
