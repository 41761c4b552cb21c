/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether this is a build for the sanitizers. Their run time stops and traces the process when it
 * looks for leaks, makes system calls of its own choice and reserves terabytes of addresses: the
 * daemons then leave out what forbids that (no core dump and no tracer, system call filter, locked
 * memory), and nothing else. */
#ifndef BRAID_BASE_SANITIZE_H
#define BRAID_BASE_SANITIZE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BRAID_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BRAID_SANITIZED 1
#endif

/* Reads counters while another thread counts: some may be a packet older than others, which is no
 * race worth an atomic operation for each packet. */
#define READS_COUNTERS __attribute__((no_sanitize("thread")))

#ifdef BRAID_SANITIZED
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#endif
