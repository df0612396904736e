/// When a new connection is handed to a worker.
#pragma once

namespace bullpen {

enum class HandoffWhen {
    accepted,  ///< At once: the service speaks first, or need not wait for its client.
    readable,  ///< Once its first bytes are there: who says nothing costs no worker.
};

}  // namespace bullpen
