/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of the numbers of MMX, and its Vendor ID. */
#include "ikemsg/mmx.h"

const uint8_t mmx_vid[MMX_VID_OCTETS] = { 0x1f, 0x1f, 0x77, 0x8a, 0x3b, 0x63, 0x27, 0x40,
					  0xd5, 0xc8, 0xab, 0x62, 0xf6, 0x19, 0x55, 0x4a };

#define X(n, v)                                                                                    \
	case v:                                                                                    \
		return #n;

const char *mmx_code_name(uint8_t code)
{
	switch (code) {
		FOREACH_MMX_CODE(X)
	}
	return "unknown";
}

const char *mmx_status_name(uint16_t status)
{
	switch (status) {
		FOREACH_MMX_STATUS(X)
	}
	return "unknown";
}

const char *mmx_role_name(uint8_t role)
{
	switch (role) {
		FOREACH_MMX_ROLE(X)
	}
	return "unknown";
}

const char *mmx_tlv_name(uint16_t type)
{
	switch (type) {
		FOREACH_MMX_TLV(X)
	}
	return "unknown";
}
