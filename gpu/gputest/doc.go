// Package gputest opens the adapter that tests run on.
package gputest
