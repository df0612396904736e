/// Orders to a server from within.
#pragma once

#include <bullpen/export.hpp>

namespace bullpen {

/// Asks the server that this process belongs to for an orderly stop, as SIGTERM to its first process does,
/// and returns at once. May be called in any of the server's processes, by any thread, in a signal handler
/// (it is one write(2) to an eventfd(2), see signal-safety(7)), as any user; more calls than one do nothing
/// more. In a process that belongs to no server, such as a child that a handler has forked, it does nothing.
/// A handler that has closed all descriptors has closed this one, too.
BULLPEN_API void stop() noexcept;

/// The same for a reload, as SIGHUP does, of a server that can (`bullpen serve --config`, serve(make)); else
/// a line in the log says that it can't. The log has the result, and so has
/// bullpen_config_last_reload_successful. Calls that come during a reload ask for one more.
BULLPEN_API void reload() noexcept;

}  // namespace bullpen
