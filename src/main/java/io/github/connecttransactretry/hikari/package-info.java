/** All that knows HikariCP ({@code com.zaxxer.hikari}); the engine finds it through {@link java.util.ServiceLoader}. */
package io.github.connecttransactretry.hikari;
