/// Which names the shared library exports. Everything else is hidden (-fvisibility=hidden).
#pragma once

#define BULLPEN_API __attribute__((visibility("default")))

/// A member of a class that has BULLPEN_API, which only the library's own code calls.
#define BULLPEN_HIDDEN __attribute__((visibility("hidden")))
