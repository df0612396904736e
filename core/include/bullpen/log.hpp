/// Lines in the server's log: Options::log says where they go, Options::log_level which of them, and
/// Options::log_format how they look.
#pragma once

#include <string_view>

#include <bullpen/export.hpp>

namespace bullpen {

/// The lowest first.
enum class LogLevel { debug, info, warning, error };

enum class LogFormat {
    text,  ///< 2026-11-27 17:02:11.042 warning [812] pool web: worker 3, client 192.0.2.7:4711: the text
    json,  ///< An object a line: time (RFC 3339), level, pid and message; pool, slot and client if known.
};

/// Writes one line: the server's own process and the calling one do it alike, so there is nothing to pass on
/// and no callback. Any process and any thread may call it at any time, but no signal handler.
///
/// From a handler the line has the pool, the slot of its worker, and the client's address. The address isn't
/// there once the client has reset the connection, nor in a coroutine over an AsyncConnection, whose thread
/// has many clients: add its peer_address() to the text. In a thread that the handler has started the line
/// has the pid alone. Before serve() it goes to stderr, as text; after serve() to where the server's went.
///
/// The text is cut so that its line has at most 4,096 bytes. Control bytes are shown as hex in a text; in
/// JSON they are escaped, and what isn't UTF-8 becomes U+FFFD. A line never waits: if it can't be written at
/// once, for example into a full pipe, it is dropped. Below the level, the call costs no system call.
BULLPEN_API void log(LogLevel level, std::string_view text) noexcept;

}  // namespace bullpen
