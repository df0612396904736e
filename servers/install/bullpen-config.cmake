# bullpen::bullpen is the archive, bullpen::shared the shared library.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(spdlog)  # With fmt.
find_dependency(prometheus-cpp COMPONENTS core)
find_dependency(Boost 1.81 COMPONENTS json)
include(${CMAKE_CURRENT_LIST_DIR}/bullpen-targets.cmake)
