package media

// Report tells what was found.
type Report struct {
	Good      int       // clips that can be used
	Bad       []BadFile // media files that cannot, and why, by path
	Remarks   []BadFile // files that can be used, and what is to be known of them, by path
	Missing   int       // those of Bad that a list names but that do not exist
	Ignored   int       // files that are no media by their extension
	Unlabeled int       // clips without a label
	Split     int       // clips left out because they belong to another split, or to none
}

// BadFile is a file that cannot be used and why.
type BadFile struct {
	Path   string
	Reason string // in one line, for people
	// Err is the reason for programs, which ask it by errors.Is and errors.As. Files keep its text alone, so it is nil
	// in what was read from one.
	Err error `json:"-"`
}

// NewBadFile gives the file with the error's text as its reason.
func NewBadFile(path string, err error) BadFile { return BadFile{path, err.Error(), err} }
