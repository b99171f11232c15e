import { faqRule } from '../../../arm/faq-rule.ts'
import type { ErrorDetail } from '@strongroom/contract'

/** What a subscription is paid by. A free trial has few cores and gets no more (S22). */
export const subscriptionKinds = ['pay-as-you-go', 'free-trial'] as const
export type SubscriptionKind = (typeof subscriptionKinds)[number]

/** The FAQ's rule on quotas, as a refusal cites it. */
export const s22: ErrorDetail = faqRule('S22')
