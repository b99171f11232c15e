import { describe, expect, it } from 'vitest'
import { evaluatePolicy, type PolicyOutcome } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import { claimsForPolicy, issuedClaims } from './token-claims.ts'

const run = (text: string, claims: Record<string, unknown>): PolicyOutcome =>
  evaluatePolicy(parsePolicy(text), claimsForPolicy(claims))
const issued = (text: string, claims: Record<string, unknown>): Record<string, unknown> =>
  issuedClaims(run(text, claims).issued)

/** Constructs from policies outside the corpus (SDK tests, defaults, guides), in policies of our own; results derived by hand. */
describe('what policies are made of that are published elsewhere', () => {
  it('a condition on values of any type, as a test of Azure’s SDKs has it', () => {
    const text = `version=1.0;authorizationrules {c:[type=="$is-debuggable"] && [value==true] => deny();=> permit();};issuancerules {
      c:[type=="$is-debuggable"] => issue(type="NotDebuggable", value=c.value);};`
    // The second condition names no type: any true claim satisfies it, the first one's or another's.
    expect(run(text, { $x: 'true', '$is-debuggable': false })).toMatchObject({ permitted: true })
    expect(issued(text, { '$is-debuggable': false })).toEqual({ NotDebuggable: false })
    expect(run(text, { '$is-debuggable': true }).permitted).toBe(false)
    expect(run(text, { '$is-debuggable': false, signed: true }).permitted).toBe(false)
    // Without the first there is no match, whatever else is true: absence denies nothing.
    expect(run(text, { signed: true }).permitted).toBe(true)
  })

  it('findings that are gathered into a claim, and exceptions that deny', () => {
    const text = `version= 1.0;
      authorizationrules
      {
        [type=="$bootdebug-enabled", value==false] &&
        [type=="$kerneldebug-enabled", value==false]
        => add (type="debuggers-enabled", value=false);

        [type=="debuggers-enabled", value==false] &&
        [type=="$secureboot", value==true] => permit();

        [type=="EV_EFI_Variable_Authority/SHA256/pcr7/605dab50/Shim", value!="70F0"] => deny();
        [type=="EV_EFI_Variable_Authority/SHA256/pcr7/605dab50/MokList"] => deny();
      };
      issuancerules
      {
        => issue(type = "token-ver", value = "1.0");
        c:[type=="$vmid"] => issue(claim=c);
        c:[type=="$vmid"] => issue(claim=c);
      };`
    const shim = 'EV_EFI_Variable_Authority/SHA256/pcr7/605dab50/Shim'
    const good = { '$bootdebug-enabled': false, '$kerneldebug-enabled': false, $secureboot: true, $vmid: 'A' }
    // Claims are a set: the same one issued twice is included once.
    expect(issued(text, { ...good, [shim]: '70F0' })).toEqual({ 'token-ver': '1.0', $vmid: 'A' })
    // An absent claim has no differing value, so the first deny() does not run; the combined claim needs both.
    expect(run(text, good).permitted).toBe(true)
    expect(run(text, { ...good, [shim]: '70f0' }).permitted).toBe(false)
    expect(run(text, { ...good, [shim.replace('Shim', 'MokList')]: '' }).permitted).toBe(false)
    expect(run(text, { ...good, '$kerneldebug-enabled': undefined }).permitted).toBe(false)
  })

  it('keys beside the one that asked, each value of a list by itself', () => {
    const text = `version=1.2;authorizationrules{=>permit();};issuancerules{
      c:[type=="x-ms-tpm-other-keys", issuer=="AttestationService"] => add(type="certified", value=JmesPath(c.value, "[*].info.tpm_certify"));
      c:[type=="certified", issuer=="AttestationPolicy"] => add(type="algorithms", value=JsonToClaimValue(JmesPath(c.value, "[*].name_alg")));
      c:[type=="algorithms", issuer=="AttestationPolicy", value==11] => issue(type="algorithms", value=11);
    };`
    const keys = (...algorithms: (number | undefined)[]): Record<string, unknown> => ({
      'x-ms-tpm-other-keys': algorithms.map((name_alg) => ({ info: { tpm_certify: { name_alg } } })),
    })
    // One key with the algorithm is enough, as published: the condition requires one claim, not all.
    expect(issued(text, keys(11, 12))).toEqual({ algorithms: 11 })
    expect(issued(text, keys(12, undefined))).toEqual({})
    expect(issued(text, { 'x-ms-tpm-other-keys': [] })).toEqual({})
  })
})
