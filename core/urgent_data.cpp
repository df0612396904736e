#include "core/urgent_data.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace bullpen {

bool is_at_urgent_mark(int socket) noexcept {
    int at_mark = 0;
    return ::ioctl(socket, SIOCATMARK, &at_mark) == 0 && at_mark != 0;
}

}  // namespace bullpen
