// Package mediatest makes files and sources for the tests of media's folders.
package mediatest
