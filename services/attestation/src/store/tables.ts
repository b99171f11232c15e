/** Rows of the attestation service. Times are ISO texts, bytes base64url. */
export interface Tables {
  /** Keys that sign or signed tokens of one provider. */
  signing_key: {
    provider: string
    kid: string
    created_at: string
    /** When the key stopped to sign; null while it signs. Still published then, for as long as its tokens may live. */
    retired_at: string | null
    /** PKCS#8, sealed. */
    sealed: string
    /** DER of the self-signed certificate. */
    certificate: string
  }
  /** Which key signs. One row per provider, so that two processes that start at once agree. */
  signing_key_current: { provider: string; kid: string }
  /** Policies that were set; where a row is absent the default holds. */
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
  /** Providers of tenants; those that the regions share are in no row. */
  provider: {
    host: string
    name: string
    region_code: string
    resource_id: string
    trust_model: 'AAD' | 'Isolated'
    created_at: string
  }
  /** Hosts that once named a provider of another origin: keys may still be released on that name's word. */
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
    /** 1 where an operator brought it. */
    imported: number
    /** Of a chip's certificate: when it was last used, to the day. Null where an item does not leave for lack of use. */
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
    /** Error code and message of what was not permitted, else null. */
    code: string | null
    message: string | null
    /** jti of the token that was issued, else null. */
    token_id: string | null
    simulated: number
    /** Address that asked. */
    caller: string | null
    /** JSON of DecisionFindings. */
    findings: string | null
  }
  /** What a decision was made on. The newest are kept. */
  decision_bundle: {
    id: string
    at: string
    outcome: string
    /** JSON of what this decision alone has. */
    content: string
    /** JSON: digests of `evidence_text` by member. */
    shared: string
  }
  /** Certificates, revocation lists and the like, kept once for all decisions; `digest` names what they are made from. */
  evidence_text: { digest: string; text: string; used_at: string }
  /** The newest boot that a TPM has shown; numbers as decimal texts, for they outgrow the engines' integers. */
  tpm_boot: {
    /** SHA-256 of the attestation key. */
    fingerprint: string
    /** Reset count * 2^32 + restart count. */
    boot: string
    /** Statements up to this time of the TPM's clock count as used. */
    floor: string
    updated_at: string
  }
  /** Statements of that boot that were used. */
  tpm_statement: { fingerprint: string; digest: string; clock: string }
}
