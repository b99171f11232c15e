/** Rows of the attestation service. Times are ISO texts, bytes base64url. */
export interface Tables {
  /** Keys that sign or signed tokens of one provider. */
  signing_key: {
    provider: string
    kid: string
    created_at: string
    /** When the key stopped signing; null while it signs. It stays published while its tokens may be valid. */
    retired_at: string | null
    /** PKCS#8, sealed. */
    sealed: string
    /** DER of the self-signed certificate. */
    certificate: string
  }
  /** Which key signs. One row per provider, so that two processes that start at once agree. */
  signing_key_current: { provider: string; kid: string }
  /** Policies that were set; the default applies without a row. */
  policy: {
    provider: string
    type: string
    /** As it was sent. */
    jws: string
    text: string
    /** JSON of the signer's JWK, or null for an unsigned policy. */
    signer: string | null
    updated_at: string
    /** Object id of the caller. */
    updated_by: string
  }
  /** Tenants' providers; the regions' shared ones have no row. */
  provider: {
    host: string
    name: string
    region_code: string
    resource_id: string
    trust_model: 'AAD' | 'Isolated'
    created_at: string
  }
  /** Hosts that once named a provider of another origin: key releases may still rely on that name. */
  provider_elsewhere: { host: string; named_at: string }
  /** Certificates that may sign policies of an isolated provider. */
  policy_certificate: {
    provider: string
    /** SHA-1 of the certificate, upper-case hexadecimal, as Azure names certificates. */
    thumbprint: string
    /** JSON of the JWK with `x5c`. */
    jwk: string
    added_at: string
    /** Object id of the caller. */
    added_by: string
  }
  /** Endorsements of vendors, by path. */
  collateral: {
    /** `source:path`. */
    path: string
    body: string
    headers: string
    fetched_at: string
    expires_at: string
    /** 1 if an operator imported it. */
    imported: number
    /** For a chip's certificate: the day of its last use. Null if the item is not removed for lack of use. */
    used_at: string | null
  }
  /** One row per attest call that reached a decision. */
  decision: {
    id: string
    at: string
    provider: string
    type: string
    /** SHA-256 of the report or quote, lower-case hexadecimal. */
    evidence_digest: string
    policy_hash: string
    outcome: 'Permitted' | 'Denied' | 'Refused'
    /** Error code and message of a denial, else null. */
    code: string | null
    message: string | null
    /** jti of the issued token, else null. */
    token_id: string | null
    simulated: number
    /** The caller's address. */
    caller: string | null
    /** JSON of DecisionFindings. */
    findings: string | null
  }
  /** The evidence behind a decision. The newest are kept. */
  decision_bundle: {
    id: string
    at: string
    outcome: string
    /** JSON of what is specific to this decision. */
    content: string
    /** JSON: digests of `evidence_text` by member. */
    shared: string
  }
  /** Certificates, revocation lists and other texts, stored once for all decisions; `digest` identifies their source. */
  evidence_text: { digest: string; text: string; used_at: string }
  /** A TPM's newest known boot; numbers as decimal text, because they exceed the engines' integers. */
  tpm_boot: {
    /** SHA-256 of the attestation key. */
    fingerprint: string
    /** Reset count * 2^32 + restart count. */
    boot: string
    /** Statements up to this time of the TPM's clock count as used. */
    floor: string
    updated_at: string
  }
  /** Statements from that boot that were used. */
  tpm_statement: { fingerprint: string; digest: string; clock: string }
}
