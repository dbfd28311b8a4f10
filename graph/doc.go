// Package graph builds a training step as a static graph: nodes with shapes, differentiated while they are built, put in
// order, and planned for memory. It knows nothing of devices; an Executor runs the plan.
//
// It promises that a graph that builds is consistent: Build gives an error with the line of the offending call for shapes,
// types and attributes that do not agree. The same calls give the same nodes in the same order and the same plan. A plan gives
// every tensor a place that no other living tensor shares, and an update is seen by what comes after it in program order.
package graph
