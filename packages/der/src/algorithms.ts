import { integer, nullValue, oid, sequence, tagged } from './writer.ts'

const sha384 = sequence(oid('2.16.840.1.101.3.4.2.2'), nullValue())

type Algorithm = 'sha256' | 'ecdsaSha256' | 'ecdsaSha384' | 'ecdsaSha512' | 'rsaSha256' | 'rsaPssSha384'

/** AlgorithmIdentifier of each. */
export const algorithms: Readonly<Record<Algorithm, Uint8Array<ArrayBuffer>>> = {
  /** RFC 5754 section 2: parameters are absent. */
  sha256: sequence(oid('2.16.840.1.101.3.4.2.1')),
  /** RFC 5758 section 3.2. */
  ecdsaSha256: sequence(oid('1.2.840.10045.4.3.2')),
  ecdsaSha384: sequence(oid('1.2.840.10045.4.3.3')),
  ecdsaSha512: sequence(oid('1.2.840.10045.4.3.4')),
  /** RSASSA-PKCS1-v1_5, RFC 4055 section 5. */
  rsaSha256: sequence(oid('1.2.840.113549.1.1.11'), nullValue()),
  /** RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes (RFC 4055 section 3.1), as AMD's roots sign. */
  rsaPssSha384: sequence(
    oid('1.2.840.113549.1.1.10'),
    sequence(tagged(0, sha384), tagged(1, sequence(oid('1.2.840.113549.1.1.8'), sha384)), tagged(2, integer(48))),
  ),
}
