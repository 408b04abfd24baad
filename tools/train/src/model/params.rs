//! The weights of a model by name.
//!
//! One map of Hugging Face names serves loading, the forward pass, the optimiser, checkpoints and export: nothing has a
//! second name. A tensor is kept flat, whatever its shape, so that all that walks over weights sees one kind of thing.

use std::collections::BTreeMap;

use burn_tensor::{Device, Tensor, TensorData};

/// Gradients by parameter name: as long as the parameter, row-major.
pub type Gradients = BTreeMap<String, Vec<f32>>;

/// A parameter that a model asks for: its name and shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Hugging Face's name.
    pub name: String,
    /// Row-major; a linear map is `[outputs, inputs]` as in PyTorch.
    pub shape: Vec<usize>,
    /// What it starts from where the checkpoint has none; `None`: it must be there.
    pub start: Option<Start>,
}

/// The numbers of a weight that no checkpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Normal with standard deviation 0.02, as Hugging Face's models start.
    Normal,
    /// All 0.
    Zero,
    /// All 1.
    One,
}

impl Declared {
    /// A parameter `name` of `shape` that the checkpoint must have.
    pub fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), start: None }
    }

    /// A parameter that starts from `start` where the checkpoint has none.
    pub fn fresh(name: impl Into<String>, shape: &[usize], start: Start) -> Self {
        Self { start: Some(start), ..Self::new(name, shape) }
    }
}

/// One weight.
#[derive(Debug, Clone)]
pub struct Parameter {
    shape: Vec<usize>,
    trainable: bool,
    leaf: Tensor<1>,
}

impl Parameter {
    /// Row-major shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether it gets a gradient.
    #[must_use]
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// The flat tensor that gradients belong to.
    #[must_use]
    pub fn leaf(&self) -> &Tensor<1> {
        &self.leaf
    }

    /// A copy of the numbers, row-major.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        floats(self.leaf.clone())
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// All weights of a model, in the order of their names.
#[derive(Debug, Clone)]
pub struct Params {
    device: Device,
    entries: BTreeMap<String, Parameter>,
    /// What low-rank changes are multiplied by.
    lora_scale: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self::new(Device::flex())
    }
}

impl Params {
    /// No weights yet; those to come live on `device`.
    #[must_use]
    pub fn new(device: Device) -> Self {
        Self { device: device.autodiff(), entries: BTreeMap::new(), lora_scale: 0.0 }
    }

    /// The device of the weights, which records gradients.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Adds or replaces a trainable weight.
    ///
    /// # Panics
    /// If `values` is not as long as `shape` says.
    pub fn insert(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "{name}: length and shape differ");
        let leaf = self.leaf(values, true);
        self.entries.insert(name.to_owned(), Parameter { shape: shape.to_vec(), trainable: true, leaf });
    }

    /// What low-rank changes are multiplied by before they are added.
    #[must_use]
    pub fn lora_scale(&self) -> f64 {
        self.lora_scale
    }

    pub(super) fn set_lora_scale(&mut self, scale: f64) {
        self.lora_scale = scale;
    }

    /// The weight called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.entries.get(name)
    }

    /// All weights, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.entries.iter().map(|(name, parameter)| (name.as_str(), parameter))
    }

    /// How many numbers the trainable weights hold, and how many all weights hold.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let trainable = self.entries.values().filter(|p| p.trainable).map(Parameter::len).sum();
        (trainable, self.entries.values().map(Parameter::len).sum())
    }

    /// Makes the weights for which `choose` says so trainable, and freezes all others.
    pub fn set_trainable(&mut self, choose: impl Fn(&str) -> bool) {
        for (name, parameter) in &mut self.entries {
            let trainable = choose(name);
            if trainable != parameter.trainable {
                parameter.trainable = trainable;
                parameter.leaf = parameter.leaf.clone().detach().set_require_grad(trainable);
            }
        }
    }

    /// Freezes the trainable weights for which `keep` does not say so.
    pub fn restrict(&mut self, keep: impl Fn(&str) -> bool) {
        let trained: std::collections::BTreeSet<String> =
            self.entries.iter().filter(|(_, p)| p.trainable).map(|(name, _)| name.clone()).collect();
        self.set_trainable(|name| trained.contains(name) && keep(name));
    }

    /// Lets `change` write the numbers of every trainable weight.
    pub fn update(&mut self, mut change: impl FnMut(&str, &[usize], &mut [f32])) {
        let device = self.device.clone();
        for (name, parameter) in self.entries.iter_mut().filter(|(_, p)| p.trainable) {
            // The old leaf goes first: its numbers are then ours alone, and nothing is copied.
            let old = std::mem::replace(&mut parameter.leaf, Tensor::zeros([1], &device));
            let mut values = floats(old.inner());
            change(name, &parameter.shape, &mut values);
            parameter.leaf = leaf(&device, values, true);
        }
    }

    /// Replaces the numbers of a weight.
    ///
    /// # Panics
    /// If there is no weight `name`, or it has another length.
    pub fn set(&mut self, name: &str, values: Vec<f32>) {
        let device = self.device.clone();
        let Some(parameter) = self.entries.get_mut(name) else { panic!("{name}: no such weight") };
        assert_eq!(values.len(), parameter.shape.iter().product::<usize>(), "{name}: another length");
        parameter.leaf = leaf(&device, values, parameter.trainable);
    }

    /// The gradients that `loss` gives the trainable weights; weights it does not reach are left out.
    ///
    /// `loss` is one number. Its graph is used up.
    #[must_use]
    pub fn gradients(&self, loss: &Tensor<1>) -> Gradients {
        if !loss.is_tracked() {
            return Gradients::new();
        }
        self.take_gradients(&mut loss.backward())
    }

    /// Takes the gradients of the trainable weights out of what a backward pass `found`.
    #[must_use]
    pub fn take_gradients(&self, found: &mut burn_tensor::Gradients) -> Gradients {
        let trainable = self.entries.iter().filter(|(_, p)| p.trainable);
        trainable.filter_map(|(name, p)| Some((name.clone(), floats(p.leaf.grad_remove(found)?)))).collect()
    }

    fn leaf(&self, values: Vec<f32>, trainable: bool) -> Tensor<1> {
        leaf(&self.device, values, trainable)
    }
}

fn leaf(device: &Device, values: Vec<f32>, trainable: bool) -> Tensor<1> {
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device).set_require_grad(trainable)
}

/// The numbers of `tensor`, row-major.
pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    match tensor.try_into_vec_as::<f32>() {
        Ok(values) => values,
        Err(error) => panic!("the device could not hand out a tensor: {error}"),
    }
}

/// Adds `more` to `sum`, `factor` times.
pub fn accumulate(sum: &mut Gradients, more: Gradients, factor: f32) {
    for (name, values) in more {
        match sum.get_mut(&name) {
            Some(held) => held.iter_mut().zip(&values).for_each(|(held, value)| *held += factor * value),
            None if factor == 1.0 => drop(sum.insert(name, values)),
            None => drop(sum.insert(name, values.iter().map(|value| factor * value).collect())),
        }
    }
}
