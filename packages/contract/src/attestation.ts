/**
 * Wire of an attestation provider, for example https://sharedweu.weu.attest.strongroom.internal. Azure Attestation's
 * (facts section 5.1); every request carries `api-version`, one of `attestationApiVersions`.
 *
 * POST /attest/SevSnpVm     AttestSevSnpVmRequest → AttestationResponse   anonymous
 * POST /attest/TdxVm        AttestTdxVmRequest → AttestationResponse      anonymous
 * POST /attest/AzureGuest   AttestAzureGuestRequest → AttestationResponse anonymous; the token is sealed to the guest's TPM
 * POST /attest/Tpm          AttestTpmMessage → AttestTpmMessage           anonymous; challenge and response
 * GET  /tcbbaselines/{type} → { tcbBaselines }                            anonymous
 * GET  /policies/{type}     → { token }                                   owner, audience `attestationAudience`
 * PUT  /policies/{type}     JWS text → { token }                          owner
 * POST /policies/{type}:reset  JWS text or nothing → { token }            owner
 * GET  /certs               → JWKS                                        anonymous, no api-version
 * GET  /.well-known/openid-configuration                                  anonymous, no api-version
 *
 * Every refusal of evidence or policy is 400 with one of Azure's codes: PolicyEvaluationError, PolicyParsingError,
 * InvalidParameter, InvalidOperation; `innererror` has what was expected, what was found and the remedy.
 *
 * Claims of ours beside Azure's: `x-strongroom-simulated` (true if the root is the installation's own silicon),
 * `x-strongroom-revocation-checked` (false if no revocation list of the root exists; no such token without a policy that
 * names the claim), `attester_advisory_ids`, and `x-ms-runtime-data`, `x-ms-inittime-data` for Binary data.
 */
import type { Base64Url, TdxCollateralBody } from './wires/host/boot-evidence.ts'

export const attestationAudience = 'https://attest.azure.net'

export const attestationApiVersions = [
  '2018-09-01-preview',
  '2020-10-01',
  '2022-08-01',
  '2022-09-01-preview',
  '2023-04-01-preview',
  '2025-06-01',
  '2026-03-11-preview',
] as const

/** Path segments for what can be attested or have a policy. */
export const attestationTypes = ['SevSnpVm', 'TdxVm', 'AzureGuest', 'Tpm'] as const
export type AttestationType = (typeof attestationTypes)[number]

/** Bytes bound to the evidence by their SHA-256. */
export interface AttestedData {
  data: Base64Url
  /** JSON appears parsed in the token, Binary as base64url. */
  dataType: 'JSON' | 'Binary'
}

export interface AttestSevSnpVmRequest {
  /** base64url of the UTF-8 JSON text of a SevSnpVmReport. */
  report: Base64Url
  /** report_data[0:32] is the SHA-256 of the bytes, report_data[32:64] is zero. */
  runtimeData?: AttestedData
  /** host_data is the SHA-256 of the bytes. */
  initTimeData?: AttestedData
  /** Policy text, base64url, evaluated instead of the stored one; the token is unsigned and cannot be used for a release. */
  draftPolicyForAttestation?: Base64Url
  /** Returned in the token; at most 1,024 characters. */
  nonce?: string
}

/** Content of `report`. */
export interface SevSnpVmReport {
  /** base64url of the 1,184 bytes. */
  SnpReport: Base64Url
  /** base64 of PEM: VCEK (or VLEK), ASK, ARK. Default: from the collateral service. */
  VcekCertChain?: string
  /** Our addition: base64url of AMD's revocation list, used if the collateral service has none of this root. */
  Crl?: Base64Url
}

export interface AttestTdxVmRequest {
  /** base64url of a quote, version 4 or 5. */
  quote: Base64Url
  /** report_data[0:32] is the SHA-256 of the bytes, report_data[32:64] is zero. */
  runtimeData?: AttestedData
  /** mr_config_id is the SHA-384 of the bytes. */
  initTimeData?: AttestedData
  nonce?: string
  /** Our addition: Intel's collateral, used if the collateral service has none for this platform. */
  collateral?: TdxCollateralBody
}

export interface AttestAzureGuestRequest {
  /**
   * base64url of JSON: what the stock guest library collects (facts section 5.2; docs/explanation/attestation.md).
   * `AttestationInfo` does too.
   */
  attestationInfo: Base64Url
}

/** `data` is base64url of JSON: a message of Azure's TPM attestation protocol (docs/explanation/attestation.md). */
export interface AttestTpmMessage {
  data: Base64Url
}

export interface AttestationResponse {
  /** JWT, RS256. For AzureGuest: base64url of an envelope that only the guest's own TPM can open. */
  token: string
}

/** Value of the claim x-ms-compliance-status for a confidential VM that meets the service's baseline; otherwise absent. */
export const compliantCvm = 'azure-compliant-cvm'
