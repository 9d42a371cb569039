package record

// Layer is a place in which a value can survive. Its text is its id in reports,
// which is never given to another layer.
type Layer string

// The layers, from the one that an API server reads to those that outlive it.
const (
	Live      Layer = "live"
	History   Layer = "history"
	FreePages Layer = "free-pages"
	WAL       Layer = "wal"
	Backups   Layer = "backups"
	// Undetermined is what is read of a file byte by byte, because nothing in it shows which
	// bytes etcd still uses.
	Undetermined Layer = "undetermined"
)

// Fate is what becomes of the values in a layer.
type Fate struct {
	// Name is what people call the layer.
	Name string
	// Survives says what stays there, and for how long.
	Survives string
	// ClearedBy says what removes it.
	ClearedBy string
}

// About is a layer with the fate of its values in etcd and, where a stand-in such as
// kine answers for etcd, in the database behind that.
type About struct {
	Layer         Layer
	Etcd, StandIn Fate
}

// Shared reports whether all members have the same values in the layer. Of the others
// each member or copy has its own: reading one says nothing about the rest.
func (l Layer) Shared() bool { return l == Live || l == History }

// Layers returns every layer, in the order above.
func Layers() []About {
	live := Fate{"live values", "what API servers read", "deleting the objects or writing them anew"}
	backups := Fate{"snapshots and backups", "a copy keeps what was plaintext when it was taken, free pages included", "deleting the copies or taking them anew"}
	return []About{
		{Live, live, live},
		{
			History,
			Fate{"history (older revisions)", "etcd keeps overwritten and deleted values until they are compacted", "compaction"},
			Fate{"history (older revisions)", "overwritten and deleted values stay as rows of its database until it compacts them", "compaction"},
		},
		{
			FreePages,
			Fate{"free pages of the database file", "compacted values stay readable in the file of every member until it is defragmented", "defragmentation of every member"},
			Fate{"free space of the database", "deleted rows stay readable in the files until they are overwritten or the database is vacuumed", "vacuuming the database"},
		},
		{
			WAL,
			Fate{"write-ahead log", "every write stays in its segments until later traffic has replaced them", "later traffic, or replacing each member"},
			Fate{"write-ahead log of the database", "every write stays in it until the database has replaced it", "the database's own checkpoints"},
		},
		{Backups, backups, backups},
	}
}

// Name returns what people call the layer in etcd.
func (l Layer) Name() string {
	if l == Undetermined {
		return "bytes of no determined layer"
	}
	for _, about := range Layers() {
		if about.Layer == l {
			return about.Etcd.Name
		}
	}
	return string(l)
}
