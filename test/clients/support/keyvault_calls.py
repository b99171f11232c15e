"""Calls of Azure's Key Vault SDKs for Python as a program makes them; prints one JSON line for each. Run by python-keyvault.test.ts."""

import hashlib
import json
import os
import secrets
from datetime import datetime, timezone

from azure.core.exceptions import HttpResponseError
from azure.identity import CertificateCredential
from azure.keyvault.administration import (
    KeyVaultAccessControlClient,
    KeyVaultBackupClient,
    KeyVaultDataAction,
    KeyVaultPermission,
    KeyVaultRoleScope,
    KeyVaultSettingsClient,
)
from azure.keyvault.keys import (
    JsonWebKey,
    KeyClient,
    KeyReleasePolicy,
    KeyRotationLifetimeAction,
    KeyRotationPolicy,
    KeyRotationPolicyAction,
)
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient

# Verification of the challenge's resource stays on.
credential = CertificateCredential(
    os.environ["STRONGROOM_TENANT_ID"],
    os.environ["CLIENT_ID"],
    certificate_path=os.environ["AZURE_CLIENT_CERTIFICATE_PATH"],
    authority=os.environ["AZURE_AUTHORITY_HOST"],
    disable_instance_discovery=True,
)
VAULT = "https://pykv.vault.strongroom.internal"
POOL = "https://pypool.managedhsm.strongroom.internal"
CONTAINER = "https://backup.strongroom.internal/python"


def line(section, name, result, error=None):
    print(json.dumps({"section": section, "call": name, "result": result, **({"error": error} if error else {})}), flush=True)


def call(section, name, work):
    """What `work` returns; a failure is said and stops nothing."""
    try:
        found = work()
        line(section, name, "works")
        return found
    except Exception as error:  # noqa: BLE001
        line(section, name, "failed", f"{type(error).__name__}: {error}"[:2000])
        return None


def refused(section, name, code, work):
    try:
        work()
        line(section, name, "failed", "it was not refused")
    except HttpResponseError as error:
        found = f"{error.error.code if error.error else ''} {error.message}"
        if code in found:
            line(section, name, f"refused: {code}")
        else:
            line(section, name, "failed", found[:2000])


def must(condition, what=None):
    assert condition, what
    return condition


def client_of(key):
    return CryptographyClient(key, credential)


def every_algorithm(section, keys, names):
    """Each algorithm that the key has, by the service: what it signs verifies, what it seals opens."""
    for algorithm in names["sign"]:
        digest = hashlib.new(
            {"256": "sha256", "56K": "sha256", "384": "sha384", "512": "sha512"}[algorithm.value[-3:]], b"x"
        ).digest()

        def signs():
            remote = client_of(keys["key"].id)
            result = remote.sign(algorithm, digest)
            must(client_of(keys["key"]).verify(algorithm, digest, result.signature).is_valid)
            bad = bytes([result.signature[0] ^ 1]) + result.signature[1:]
            must(not client_of(keys["key"]).verify(algorithm, digest, bad).is_valid)

        call(section, f"CryptographyClient.sign, verify ({algorithm.value})", signs)
    for algorithm in names.get("encrypt", []):

        def encrypts():
            remote = client_of(keys["key"].id)
            more = {} if "GCM" in algorithm.value or "RSA" in algorithm.value else {"iv": secrets.token_bytes(16)}
            plain = b"sixteen bytes ok"
            sealed = remote.encrypt(algorithm, plain, **more)
            opening = {"iv": sealed.iv} if sealed.iv else {}
            if sealed.tag:
                opening["authentication_tag"] = sealed.tag
            must(remote.decrypt(algorithm, sealed.ciphertext, **opening).plaintext == plain)

        call(section, f"CryptographyClient.encrypt, decrypt ({algorithm.value})", encrypts)
    for algorithm in names.get("wrap", []):

        def wraps():
            remote = client_of(keys["key"].id)
            secret = secrets.token_bytes(32)
            must(remote.unwrap_key(algorithm, remote.wrap_key(algorithm, secret).encrypted_key).key == secret)

        call(section, f"CryptographyClient.wrap_key, unwrap_key ({algorithm.value})", wraps)


k = "azure-keyvault-keys"
keys = KeyClient(VAULT, credential)
rsa = call(k, "KeyClient.create_rsa_key", lambda: keys.create_rsa_key("rsa", size=3072, tags={"a": "b"}))
call(k, "KeyClient.get_key", lambda: must(keys.get_key("rsa").properties.tags == {"a": "b"}))
every_algorithm(
    k,
    {"key": rsa},
    {
        "sign": [getattr(SignatureAlgorithm, name) for name in ("rs256", "rs384", "rs512", "ps256", "ps384", "ps512")],
        "encrypt": [EncryptionAlgorithm.rsa_oaep, EncryptionAlgorithm.rsa_oaep_256, EncryptionAlgorithm.rsa1_5],
        "wrap": [KeyWrapAlgorithm.rsa_oaep, KeyWrapAlgorithm.rsa_oaep_256, KeyWrapAlgorithm.rsa1_5],
    },
)
for curve, algorithm in (("P-256", "es256"), ("P-384", "es384"), ("P-521", "es512"), ("P-256K", "es256_k")):
    made = call(k, f"KeyClient.create_ec_key ({curve})", lambda: keys.create_ec_key(f"ec-{curve}", curve=curve))
    every_algorithm(k, {"key": made}, {"sign": [getattr(SignatureAlgorithm, algorithm)]})
policy = KeyReleasePolicy(
    json.dumps(
        {
            "version": "1.0.0",
            "anyOf": [
                {
                    "authority": "https://sharedweu.weu.attest.strongroom.internal",
                    "allOf": [{"claim": "x-ms-compliance-status", "equals": "azure-compliant-cvm"}],
                }
            ],
        }
    ).encode(),
    immutable=True,
)
call(
    k,
    "KeyClient.create_rsa_key (exportable)",
    lambda: must(
        keys.create_rsa_key("disk", hardware_protected=True, exportable=True, release_policy=policy).properties.release_policy.immutable
    ),
)
refused(k, "KeyClient.release_key (no token)", "BadParameter", lambda: keys.release_key("disk", "no.token.here"))
other = KeyReleasePolicy(policy.encoded_policy.replace(b"compliant-cvm", b"compliant-uvm"))
refused(
    k,
    "KeyClient.update_key_properties (immutable policy)",
    "AKV.SKR.1020",
    lambda: keys.update_key_properties("disk", release_policy=other),
)
refused(
    k,
    "KeyClient.create_rsa_key (exportable, without policy)",
    "AKV.SKR.1004",
    lambda: keys.create_rsa_key("x", hardware_protected=True, exportable=True),
)
call(
    k,
    "KeyClient.get_key_attestation",
    lambda: must(keys.get_key_attestation("disk").properties.attestation.version == "1.0"),
)
expires = datetime(2030, 1, 1, tzinfo=timezone.utc)
call(
    k,
    "KeyClient.update_key_properties",
    lambda: must(keys.update_key_properties("rsa", expires_on=expires, enabled=True).properties.expires_on == expires),
)
rotation = KeyRotationPolicy(
    expires_in="P90D",
    lifetime_actions=[KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_before_expiry="P7D")],
)
call(
    k,
    "KeyClient.update_key_rotation_policy",
    lambda: must(keys.update_key_rotation_policy("rsa", rotation).expires_in == "P90D"),
)
call(
    k,
    "KeyClient.get_key_rotation_policy",
    lambda: must(keys.get_key_rotation_policy("rsa").lifetime_actions[0].time_before_expiry == "P7D"),
)
call(k, "KeyClient.rotate_key", lambda: must(keys.rotate_key("rsa").properties.version != rsa.properties.version))
call(
    k,
    "KeyClient.list_properties_of_key_versions",
    lambda: must(len(list(keys.list_properties_of_key_versions("rsa"))) == 2),
)
for number in range(30):
    keys.create_ec_key(f"page-{number}")
call(
    k,
    "KeyClient.list_properties_of_keys (two pages)",
    lambda: must(len({each.name for each in keys.list_properties_of_keys()}) == 36),
)
ours = JsonWebKey(kty="oct", k=secrets.token_bytes(32), key_ops=["wrapKey", "unwrapKey"])
call(k, "KeyClient.import_key", lambda: must(keys.import_key("ours", ours).key.kty == "oct"))
backup = call(k, "KeyClient.backup_key", lambda: must(keys.backup_key("ours")))
call(k, "KeyClient.begin_delete_key", lambda: keys.begin_delete_key("ours").wait())
call(k, "KeyClient.get_deleted_key", lambda: must(keys.get_deleted_key("ours").recovery_id))
call(k, "KeyClient.list_deleted_keys", lambda: must([each.name for each in keys.list_deleted_keys()] == ["ours"]))
refused(k, "KeyClient.import_key (of a deleted name)", "ObjectIsDeletedButRecoverable", lambda: keys.import_key("ours", ours))
call(k, "KeyClient.begin_recover_deleted_key", lambda: keys.begin_recover_deleted_key("ours").wait())
keys.begin_delete_key("ours").wait()
call(k, "KeyClient.purge_deleted_key", lambda: keys.purge_deleted_key("ours"))
call(k, "KeyClient.restore_key_backup", lambda: must(keys.restore_key_backup(backup).name == "ours"))
refused(k, "KeyClient.get_key (of none)", "KeyNotFound", lambda: keys.get_key("none"))

s = "azure-keyvault-secrets"
values = SecretClient(VAULT, credential)
call(s, "SecretClient.set_secret", lambda: values.set_secret("s", "kept", content_type="text/plain"))
call(s, "SecretClient.get_secret", lambda: must(values.get_secret("s").value == "kept"))
call(
    s,
    "SecretClient.update_secret_properties",
    lambda: must(values.update_secret_properties("s", tags={"a": "b"}).tags == {"a": "b"}),
)
call(s, "SecretClient.list_properties_of_secrets", lambda: must(len(list(values.list_properties_of_secrets())) == 1))
copy = call(s, "SecretClient.backup_secret", lambda: must(values.backup_secret("s")))
call(s, "SecretClient.begin_delete_secret", lambda: values.begin_delete_secret("s").wait())
call(s, "SecretClient.begin_recover_deleted_secret", lambda: values.begin_recover_deleted_secret("s").wait())
values.begin_delete_secret("s").wait()
call(s, "SecretClient.purge_deleted_secret", lambda: values.purge_deleted_secret("s"))
call(s, "SecretClient.restore_secret_backup", lambda: must(values.restore_secret_backup(copy).name == "s"))

h = "azure-keyvault-keys, of a managed HSM"
pool = KeyClient(POOL, credential)
oct_key = call(h, "KeyClient.create_oct_key", lambda: pool.create_oct_key("aes", size=256, hardware_protected=True))
every_algorithm(
    h,
    {"key": oct_key},
    {
        "sign": [],
        "encrypt": [EncryptionAlgorithm.a256_gcm, EncryptionAlgorithm.a256_cbc, EncryptionAlgorithm.a256_cbcpad],
        "wrap": [KeyWrapAlgorithm.aes_256],
    },
)
call(h, "KeyClient.get_random_bytes", lambda: must(len(pool.get_random_bytes(32)) == 32))
refused(h, "KeyClient.create_rsa_key (soft)", "HSM-backed keys only", lambda: pool.create_rsa_key("soft"))

a = "azure-keyvault-administration"
access = KeyVaultAccessControlClient(POOL, credential)
call(
    a,
    "KeyVaultAccessControlClient.list_role_definitions",
    lambda: must(
        "Managed HSM Crypto User" in [each.role_name for each in access.list_role_definitions(KeyVaultRoleScope.GLOBAL)]
    ),
)
only_read = [KeyVaultPermission(data_actions=[KeyVaultDataAction.READ_HSM_KEY])]
own = call(
    a,
    "KeyVaultAccessControlClient.set_role_definition",
    lambda: access.set_role_definition(KeyVaultRoleScope.GLOBAL, role_name="readers", permissions=only_read),
)
call(
    a,
    "KeyVaultAccessControlClient.get_role_definition",
    lambda: must(access.get_role_definition(KeyVaultRoleScope.GLOBAL, own.name).role_name == "readers"),
)
principal = "0f0e0d0c-0b0a-4900-8807-060504030201"
given = call(
    a,
    "KeyVaultAccessControlClient.create_role_assignment",
    lambda: access.create_role_assignment(KeyVaultRoleScope.KEYS, own.id, principal),
)
call(
    a,
    "KeyVaultAccessControlClient.get_role_assignment",
    lambda: must(
        access.get_role_assignment(KeyVaultRoleScope.KEYS, given.name).properties.principal_id == principal
    ),
)
call(
    a,
    "KeyVaultAccessControlClient.list_role_assignments",
    lambda: must(given.name in [each.name for each in access.list_role_assignments(KeyVaultRoleScope.KEYS)]),
)
call(
    a,
    "KeyVaultAccessControlClient.delete_role_assignment",
    lambda: access.delete_role_assignment(KeyVaultRoleScope.KEYS, given.name),
)
call(
    a,
    "KeyVaultAccessControlClient.delete_role_definition",
    lambda: access.delete_role_definition(KeyVaultRoleScope.GLOBAL, own.name),
)
backups = KeyVaultBackupClient(POOL, credential)
done = call(a, "KeyVaultBackupClient.begin_backup", lambda: backups.begin_backup(CONTAINER, "sas").result())
call(a, "KeyVaultBackupClient.begin_restore", lambda: backups.begin_restore(done.folder_url, "sas").wait())
call(
    a,
    "KeyVaultBackupClient.begin_restore (one key)",
    lambda: backups.begin_restore(done.folder_url, "sas", key_name="aes").wait(),
)
settings = KeyVaultSettingsClient(POOL, credential)
through_arm = call(
    a,
    "KeyVaultSettingsClient.get_setting",
    lambda: settings.get_setting("AllowKeyManagementOperationsThroughARM"),
)
call(
    a,
    "KeyVaultSettingsClient.list_settings",
    lambda: must(through_arm.name in [each.name for each in settings.list_settings()]),
)
call(a, "KeyVaultSettingsClient.update_setting", lambda: must(settings.update_setting(through_arm).value == "false"))
call(a, "KeyClient.get_key (after the restore)", lambda: must(pool.get_key("aes").id == oct_key.id))
