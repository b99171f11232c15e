import type { TdxCollateral, TrustAnchor } from '@strongroom/evidence'

/** What a trust domain is built from. */
export interface TdxLaunch {
  /** Whole image; it is measured, not run. */
  firmware: Uint8Array
  /** 8 bytes, least significant first; default: not debuggable. */
  attributes?: bigint
  xfam?: bigint
  /** 48 bytes. */
  mrConfigId?: Uint8Array
}

/** A running trust domain as the TDX module sees it. */
export interface TdxGuest {
  /** 48 bytes. */
  mrtd: Uint8Array
  /**
   * TDREPORT of 1024 bytes.
   * @param reportData 64 bytes
   */
  tdReport(reportData: Uint8Array): Promise<Uint8Array>
}

/** TDX module, quoting enclave and provisioning service of one platform. */
export interface TdxPlatform {
  /** Pin of the root of the platform's quotes. */
  anchor: TrustAnchor
  launch(o: TdxLaunch): Promise<TdxGuest>
  /** Quote over a TDREPORT of this platform; refuses one with another MAC. */
  quote(tdReport: Uint8Array): Promise<Uint8Array>
  /** Raw texts, chains and lists as from Intel's service, kept fresh. */
  collateral(): Promise<TdxCollateral>
  /** TCB info of the vendor's next set, which is not in force yet: signed text with the other one's chain. */
  earlyTcbInfo(): Promise<string>
}
