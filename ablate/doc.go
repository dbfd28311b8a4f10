// Package ablate trains one configuration in several ways, each with several seeds on the same clips, judges all networks
// on the same labelled clips, and says which differences exceed noise. Finished runs are kept: a run that was stopped goes
// on, and none is repeated.
package ablate
