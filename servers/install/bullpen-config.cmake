# bullpen::bullpen is the archive, bullpen::shared the shared library. Boost's headers are needed by a user who writes
# handlers of the asynchronous form, and by nobody else.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(spdlog)  # With fmt.
find_dependency(prometheus-cpp COMPONENTS core)
find_package(Boost 1.81 QUIET)
include(${CMAKE_CURRENT_LIST_DIR}/bullpen-targets.cmake)
