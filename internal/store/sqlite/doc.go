// Package sqlite keeps documents, small blobs, log events and messages in SQLite
// databases, through modernc.org/sqlite: SQLite compiled to Go, so that Paddock
// stays one binary that cross-compiles.
//
// A database file has one connection that writes and up to four that read. A
// write is a request to the writer, a goroutine that takes what is waiting into
// one transaction and makes it durable by one commit (WAL, synchronous=FULL): a
// sync of the disk, which is what a single write costs, is shared by all who
// wait for one. Conditions are checked inside that transaction, one request
// after the other, so that one that is refused leaves no trace and does not
// touch the others.
//
// Durable means that the operating system has synced: kill -9, and on Linux a
// loss of power. (On macOS SQLite's sync does not flush the drive's own cache.)
//
// Figures of the benchmarks in this package, on 2 cores of an AMD EPYC with
// ext4 on a disk that syncs in 0.25 ms; with the cores shared with other
// builds they were down to a half, and a fifth where one client waits for a
// busy disk:
//
//	documents of 2 KB, durable writes   1 client 2,800/s, 16 clients 18,600/s, 64 clients 25,900/s
//	documents of 2 KB, Get              64,000/s (15 µs)
//	log events of 144 bytes, appended   by 1: 3,200/s, by 100: 117,000/s, by 1000: 230,000/s (4.3 ms a batch)
//	messages of 256 bytes, one a call   16 clients: sends 37,000/s, leases 19,500/s, send, lease and delete 8,000/s
//	  in an ordered queue               16 clients: sends 28,000/s, leases 14,500/s, send, lease and delete 5,500/s
//	  beside 1,000,000 others           send, lease and delete 7,300/s; ordered, in 1,000 groups of 1,000, 2,800/s
//	log events, Read of 100             of a group 0.34 ms, of a stream 0.47 ms, of some streams 0.48 ms (of 100,000)
package sqlite
