/** The linter's rules: typescript-eslint's strictest type-checked sets, and the sizes of the house rules. */
import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import prettier from 'eslint-config-prettier';
import jest from 'eslint-plugin-jest';
import tseslint from 'typescript-eslint';

const SPECS = ['**/*.spec.ts'];
const ASSERTIONS = [
  'expect',
  'expect*',
  'fc.assert',
  'assert*',
  'waitFor',
  'ledgerBecomes',
  'wholeAgain',
  'nothingUnsettled',
];
const lines = (max) => ['error', { max, skipBlankLines: true, skipComments: true }];

const NODE_GLOBALS = Object.fromEntries(
  [
    'AbortController',
    'AbortSignal',
    'Buffer',
    'clearInterval',
    'clearTimeout',
    'console',
    'fetch',
    'process',
    'setImmediate',
    'setInterval',
    'setTimeout',
    'URL',
  ].map((name) => [name, 'readonly']),
);

export default defineConfig(
  {
    ignores: [
      'dist/',
      'libs/*/dist/',
      'coverage/',
      '.sekali/',
      '**/node_modules/',
      'libs/local-cluster/native/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  eslint.configs.recommended,
  {
    files: ['**/*.{mjs,js,cjs}'],
    languageOptions: { globals: NODE_GLOBALS },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': lines(300),
      'max-lines-per-function': lines(50),
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      // Numbers in messages need no conversion.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Nest's modules are classes that have only a decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      // Nest declares its options as classes, and expects object literals.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Arrow functions may return what a call returns, also when it returns nothing.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // The style of `noPropertyAccessFromIndexSignature`, body['topic'], shows that the name comes from outside.
      '@typescript-eslint/dot-notation': 'off',
      // This rule contradicts `consistent-type-assertions` where an array is known to be long enough.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
    },
  },
  {
    files: SPECS,
    extends: [jest.configs['flat/recommended'], jest.configs['flat/style']],
    rules: {
      'max-lines': lines(600),
      // A `describe` is a function as well, and contains a whole file.
      'max-lines-per-function': 'off',
      'jest/no-disabled-tests': 'error',
      'jest/no-focused-tests': 'error',
      'jest/no-commented-out-tests': 'error',
      // Properties of fast-check have assertions inside. The others are the specs' own checks, which expect or fail at
      // a deadline.
      'jest/expect-expect': ['error', { assertFunctionNames: ASSERTIONS }],
      // With ES modules, the globals are imported.
      'jest/prefer-importing-jest-globals': 'error',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  prettier,
);
