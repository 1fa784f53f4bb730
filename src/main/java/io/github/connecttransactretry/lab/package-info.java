/**
 * The chaos lab: scenario files (a declared time line of faults) played on a real PostgreSQL behind a real Toxiproxy, with
 * money transfers through the library and the exactly-once audit at the end. Not part of the library proper: it has
 * dependencies of its own, all of them optional.
 */
package io.github.connecttransactretry.lab;
