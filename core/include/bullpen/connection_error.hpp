/// What a connection throws besides std::system_error. A handler lets it pass: it ends this connection alone.
#pragma once

#include <stdexcept>
#include <system_error>

#include <bullpen/export.hpp>

namespace bullpen {

/// The client closed or reset the connection in the middle. Let it pass: it ends only this connection.
class BULLPEN_API ClientGone : public std::system_error {
public:
    using std::system_error::system_error;
};

/// The client was silent for longer than a limit. Let it pass: it ends only this connection.
class BULLPEN_API TimedOut : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace bullpen
