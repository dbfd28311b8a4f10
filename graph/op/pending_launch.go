package op

import "goxkd/graph"

// Launches still to be written.

func binaryLaunch(string) func(*graph.Node, graph.Target) graph.Launch { return pendingLaunch }

func pendingLaunch(*graph.Node, graph.Target) graph.Launch { return graph.Launch{} }

var (
	adamWLaunch                = pendingLaunch
	clipFactorLaunch           = pendingLaunch
	concatLaunch               = pendingLaunch
	emaLaunch                  = pendingLaunch
	gatherLaunch               = pendingLaunch
	gaussKernelGradLaunch      = pendingLaunch
	gaussKernelLaunch          = pendingLaunch
	geluGradLaunch             = pendingLaunch
	geluLaunch                 = pendingLaunch
	l2NormalizeGradLaunch      = pendingLaunch
	l2NormalizeLaunch          = pendingLaunch
	layerNormGradGainLaunch    = pendingLaunch
	layerNormGradLaunch        = pendingLaunch
	layerNormLaunch            = pendingLaunch
	linCombLaunch              = pendingLaunch
	matchNormLaunch            = pendingLaunch
	mulRowsLaunch              = pendingLaunch
	normLaunch                 = pendingLaunch
	normalizePatchesLaunch     = pendingLaunch
	padLaunch                  = pendingLaunch
	pairDistanceGradLaunch     = pendingLaunch
	pairDistanceLaunch         = pendingLaunch
	permuteLaunch              = pendingLaunch
	rowDotLaunch               = pendingLaunch
	rowMSEGradLaunch           = pendingLaunch
	rowMSELaunch               = pendingLaunch
	rowStatsLaunch             = pendingLaunch
	sliceLaunch                = pendingLaunch
	softCrossEntropyGradLaunch = pendingLaunch
	softCrossEntropyLaunch     = pendingLaunch
	softmaxGradLaunch          = pendingLaunch
	softmaxLaunch              = pendingLaunch
	spreadLaunch               = pendingLaunch
	sumAxisLaunch              = pendingLaunch
)
