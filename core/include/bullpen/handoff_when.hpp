/// When a new connection is handed to a worker.
#pragma once

namespace bullpen {

enum class HandoffWhen {
    accepted,  ///< At once: the service speaks first, or needn't wait for its client.
    readable,  ///< Once its first bytes have arrived: a silent client takes no worker.
};

}  // namespace bullpen
