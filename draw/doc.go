// Package draw makes pictures that a person checks at a glance: what the networks see of a clip, losses over steps, counts.
//
// It promises that the same values give the same bytes of PNG, and that values which cannot be drawn are refused.
package draw
