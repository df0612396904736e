/// How many workers a pool has.
#pragma once

namespace bullpen {

enum class SizingPolicy {
    fixed,  ///< Always workers_max: nginx's worker_processes, FPM's pm = static. Its name is "static".
    spare,  ///< Between spare_min and spare_max idle workers: Apache prefork, FPM's pm = dynamic.
};

/// The limits of a pool. Every burst and every wait is a field.
struct PoolLimits {
    SizingPolicy policy = SizingPolicy::spare;
    int workers_start = 4;
    int workers_max = 64;
    int spare_min = 2;         ///< With fewer ready workers than spare_min + waiting clients: spawn.
    int spare_max = 6;         ///< With more idle workers than this for a whole window: retire.
    int spawn_burst_max = 32;  ///< The most workers spawned in one decision: the end of the ramp 1, 2, 4 …
};

}  // namespace bullpen
