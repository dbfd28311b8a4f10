// Package shared finds recorded cases and real clips that are too large for the checkout, for tests alone: the environment
// variable XKD_SHARED names the folder they are in.
package shared
