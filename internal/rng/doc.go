// Package rng draws random numbers by counters: a generator follows from its counters alone, so what is drawn for one clip
// never depends on what was drawn before it, or by whom.
package rng
