/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of the numbers in IKEv2 messages, as the RFCs spell them. */
#include "ikemsg/ikemsg.h"

const char *exchange_name(uint8_t type)
{
	switch ((enum exchange_type)type) {
#define X(n)                                                                                       \
	case n:                                                                                    \
		return #n;
		X(IKE_SA_INIT)
		X(IKE_AUTH)
		X(CREATE_CHILD_SA)
		X(INFORMATIONAL)
#undef X
	}
	return "unknown";
}

const char *notify_name(uint16_t type)
{
	switch ((enum notify_type)type) {
#define X(n, v)                                                                                    \
	case N_##n:                                                                                \
		return #n;
		FOREACH_NOTIFY(X)
#undef X
	}
	return "unknown";
}

const char *id_type_name(uint8_t type)
{
	switch ((enum id_type)type) {
#define X(n, v)                                                                                    \
	case ID_##n:                                                                               \
		return #n;
		FOREACH_ID_TYPE(X)
#undef X
	}
	return "unknown";
}

/* The notations of the table in RFC 7296 3.2. */
const char *payload_name(uint8_t type)
{
	switch ((enum payload_type)type) {
	case PLD_NONE:
		return "none";
	case PLD_SA:
		return "SA";
	case PLD_KE:
		return "KE";
	case PLD_IDI:
		return "IDi";
	case PLD_IDR:
		return "IDr";
	case PLD_CERT:
		return "CERT";
	case PLD_CERTREQ:
		return "CERTREQ";
	case PLD_AUTH:
		return "AUTH";
	case PLD_NONCE:
		return "Nonce";
	case PLD_NOTIFY:
		return "N";
	case PLD_DELETE:
		return "D";
	case PLD_VENDOR:
		return "V";
	case PLD_TSI:
		return "TSi";
	case PLD_TSR:
		return "TSr";
	case PLD_SK:
		return "SK";
	case PLD_CP:
		return "CP";
	case PLD_EAP:
		return "EAP";
	case PLD_SKF:
		return "SKF";
	}
	return "unknown";
}
