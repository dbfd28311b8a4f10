// Package bench times what training spends its time on: whole steps, the nodes of a step, and the making of batches.
//
// It promises that the first runs, in which drivers compile and caches fill, are in no figure, and that what a step needs
// read back is read back in its time. Figures are of this machine at this moment: compare in one run, as ratios.
package bench
