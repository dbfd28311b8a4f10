// Package draw makes pictures that a person checks at a glance.
package draw
