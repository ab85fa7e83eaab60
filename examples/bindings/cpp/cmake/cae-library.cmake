# The C library as the target cae::cae: from its own CMake package if it has one, else from pkg-config.
# Global, so that it is also known to a project that has the binding as a subdirectory. With neither there
# is no target, and cae-cpp_NOT_FOUND_MESSAGE says what is missing.
if(NOT TARGET cae::cae)
  find_package(cae 1.0 CONFIG QUIET)
  foreach(target cae::cae cae::static)
    if(TARGET ${target})
      set_target_properties(${target} PROPERTIES IMPORTED_GLOBAL TRUE)
    endif()
  endforeach()
endif()
if(NOT TARGET cae::cae)
  find_package(PkgConfig QUIET)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(CAE QUIET IMPORTED_TARGET GLOBAL cae>=1.0)
  endif()
  if(TARGET PkgConfig::CAE)
    add_library(cae::cae INTERFACE IMPORTED GLOBAL)
    target_link_libraries(cae::cae INTERFACE PkgConfig::CAE)
  else()
    set(cae-cpp_NOT_FOUND_MESSAGE
      "libcae >= 1.0 was not found: set CMAKE_PREFIX_PATH or PKG_CONFIG_PATH")
  endif()
endif()
