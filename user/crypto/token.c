/* SPDX-License-Identifier: GPL-2.0-only */
/* Private keys that stay in a PKCS#11 token, by OpenSSL's engine "pkcs11" (libp11's). What the
 * engine gives is an EVP_PKEY like any other, which signs in the token.
 *
 * OpenSSL binds an engine's library once in a process, and this engine knows one module: the first
 * that worked, until the process ends. p11-kit's proxy module stands for several. */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines are, and there is no provider in OpenSSL 3.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/ui.h>

#include "base/secret.h"
#include "x509_impl.h"

static ENGINE *engine;
static char module_used[512]; /* "": none has worked yet */

static bool tell(ENGINE *e, const char *what, const char *value)
{
	return ENGINE_ctrl_cmd_string(e, what, value, 0) == 1;
}

/* Not by ENGINE_by_id, which takes other directories from the environment. */
static ENGINE *engine_new(void)
{
	ENGINE *e;

	ENGINE_load_dynamic();
	e = ENGINE_by_id("dynamic");
	if (e && tell(e, "ID", "pkcs11") && tell(e, "DIR_LOAD", "2") &&
	    tell(e, "DIR_ADD", OPENSSL_info(OPENSSL_INFO_ENGINES_DIR)) &&
	    tell(e, "LIST_ADD", "0") && tell(e, "LOAD", NULL) && tell(e, "QUIET", NULL) &&
	    ENGINE_init(e) == 1)
		return e;
	ENGINE_free(e);
	return NULL;
}

static int module_set(const char *path)
{
	if (module_used[0])
		return strcmp(module_used, path) ? -EBUSY : 0;
	if (strlen(path) >= sizeof(module_used))
		return -ENAMETOOLONG;
	if (!engine)
		engine = engine_new();
	if (!engine)
		return -ENOSYS;
	return tell(engine, "MODULE_PATH", path) ? 0 : -EIO;
}

/* What the engine or the module said first. */
static void why_token(char why[KEY_WHY_MAX])
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	snprintf(why, KEY_WHY_MAX, "%s", text ? text : "it does not say why");
}

int pkey_token(const char *module, const char *key, const struct secret *pin, struct pkey **ret_key,
	       char why[KEY_WHY_MAX])
{
	char text[SECRET_MAX + 1] = "";
	EVP_PKEY *k = NULL;
	int ret = module_set(module);

	if (!ret) {
		memcpy(text, pin->b, pin->len);
		/* nobody is there to be asked for another */
		if (tell(engine, "PIN", text))
			k = ENGINE_load_private_key(engine, key, (UI_METHOD *)UI_null(), NULL);
		secret_wipe(text, sizeof(text));
		ret = k ? 0 : -EIO;
	}
	if (ret == -EIO)
		why_token(why);
	if (k) {
		strcpy(module_used, module);
		ret = pkey_wrap(k, true, ret_key);
	}
	ERR_clear_error();
	return ret;
}
