/// The pools that the lines of inetd.conf become.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pool/pool_options.hpp"
#include "servers/inetd/inetd_conf.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {

/// What holds for all lines of a file.
struct InetdTerms {
    PoolSettings pool = {};   ///< What flags say of each pool.
    bool listen_fds = false;  ///< Programs get their socket as under systemd.
    bool home = false;        ///< Programs get HOME.
};

/// What one line comes to: a pool, or for `wait` a pool for each of its addresses.
struct InetdService {
    const InetdEntry* entry = nullptr;
    std::vector<PoolOptions> pools;
};

struct InetdPools {
    std::vector<InetdService> services;
    std::vector<InetdComplaint> complaints;  ///< Those of the file, too, in the order of their lines.
};

/// Asks the name service for users and groups, and looks at the programs' files. A pool is called after its
/// line ("ftp/tcp", "tftp/udp/wait", "echo/tcp/internal"), so that a reload finds it again wherever the line
/// stands, and never after the order of lines.
InetdPools make_inetd_pools(const InetdConf& conf, const InetdTerms& terms);

}  // namespace bullpen
