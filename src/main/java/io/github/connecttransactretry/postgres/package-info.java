/** All that knows pgjdbc ({@code org.postgresql}); the engine finds it through {@link java.util.ServiceLoader}. */
package io.github.connecttransactretry.postgres;
