# What find_package(cae-cpp CONFIG) reads: the C library first, then the headers on top of it.
include(${CMAKE_CURRENT_LIST_DIR}/cae-library.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/cae-cpp-targets.cmake)
