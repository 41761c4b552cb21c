/* SPDX-License-Identifier: GPL-2.0-only */
/* The version of all programs; manual pages get it from here when they are installed. */
#ifndef BRAID_BASE_VERSION_H
#define BRAID_BASE_VERSION_H

#define BRAID_VERSION "0.1"

#endif
