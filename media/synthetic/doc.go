// Package synthetic makes labelled clips in which sight and sound go together by class, and nothing else tells the class.
// The same configuration, index and time give the same pixels and samples, whatever span is asked for.
package synthetic
