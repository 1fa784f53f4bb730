/** All that knows Micrometer ({@code io.micrometer}): a listener that an application gives to the builder. */
package io.github.connecttransactretry.micrometer;
