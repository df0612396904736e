/// A listener that the new program of an upgrade gets.
#pragma once

#include <string>

namespace bullpen {

/// The socket is borrowed.
struct PassedListener {
    std::string owner;  ///< See UpgradeMessage.
    std::string text;   ///< It was opened from.
    int socket = -1;
};

}  // namespace bullpen
